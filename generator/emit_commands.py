# SPDX-License-Identifier: MIT
"""venus_wire/commands.h, handlers.h, mesa.h, one .c per group of commands, dispatch.c."""

from generator import command_numbers, policy, protocol
from generator.emit_c import CFile, indent, object_type
from generator.emit_decode import Decode, unwrap_lines
from generator.emit_encode import Encode

RETURN_WIRE = {"VkResult": 4, "VkBool32": 4, "uint32_t": 4}


def is_first(command, one):
    return bool(command.first) and one is command.fields[0]


def table_of(command):
    """Which function table a forwarded command is called through."""
    is_instance = command.first in ("VkInstance", "VkPhysicalDevice")
    return "pv_vk_instance_table" if is_instance else "pv_vk_device_table"


def _arg_member(one):
    """Declaration of a command's argument, None when it has no member."""
    elem = one.elem
    name = one.name
    if one.kind == "alloc":
        return None
    if one.is_out and elem.kind == "handle":
        return f"uint64_t *{name};"
    if one.kind in ("scalar", "handle", "struct", "union"):
        return f"{elem.type} {name};"
    if one.kind in ("fixed", "chars"):
        return f"{elem.type} {name}[{one.dims}];"
    if one.kind == "string":
        return f"const char *{name};"
    const = "" if one.is_out else "const "
    return f"{const}{elem.type} *{name};"


def _mesa_header(model, stamp):
    out = CFile(
        "venus_wire/mesa.h",
        "Structs of VK_MESA_venus_protocol, which the Vulkan headers do not have.\n"
        "Source: our description in generator/protocol.py.",
        stamp,
        ["<vulkan/vulkan_core.h>"],
    )
    for name, value in protocol.S_TYPES.items():
        out.add(f"#define {name} ((VkStructureType){value})")
    for struct in protocol.STRUCTS:
        out.add("", f"typedef struct {struct.name} {{")
        for member in struct.members:
            out.add(f"    {member.declaration};")
        out.add(f"}} {struct.name};")
    return out


def _commands_header(model, stamp):
    out = CFile(
        "venus_wire/commands.h",
        "Command numbers, and the decoded arguments of each command.\n\n"
        "Members are the C parameters, without pAllocator. `first` is the object that the command\n"
        "is about. Handles of hand-written commands are struct pv_base_object pointers in\n"
        "disguise (see pv_wire_object) until pv_wire_unwrap_vkX swaps them for host handles. Ids\n"
        "of objects to be created are uint64_t arrays. Outputs (non-const pointers) are zeroed\n"
        "arena memory that the reply is encoded from; pv_wire_out_capacity tells the size of an output\n"
        "array. `ret` is what the C function returns.",
        stamp,
        ['"venus_wire/codec.h"', '"venus_wire/mesa.h"'],
    )
    out.add("enum pv_wire_command {")
    for command in model.commands:
        out.add(f"    PV_WIRE_COMMAND_{command.name} = {command.number},")
    out.add("};", "", f"#define PV_WIRE_COMMAND_COUNT {len(command_numbers.COMMANDS)}", "")
    out.add("void pv_wire_dispatch(struct pv_wire_decoder *decoder);", "")
    for command in model.commands:
        if command.kind in ("refused", "destroy"):
            continue
        out.add(f"struct pv_wire_{command.name} {{")
        if command.first:
            out.add("    struct pv_base_object *first;")
        for one in command.fields:
            member = _arg_member(one)
            if member:
                out.add("    " + member)
        if command.return_type != "void":
            out.add(f"    {command.return_type} ret;")
        elif not command.first and not command.fields:
            out.add("    uint32_t unused;")
        out.add("};", "")
    return out


DISPATCH_CONTRACT = """/*
 * Decode and execute the next command of decoder->in.
 *
 * On a fault (decoder->fault) nothing was acted on, save that a reply or a new object that could
 * not be recorded may be incomplete; the caller stops. The arena is not reset: the caller does
 * that between commands. Handlers run on the caller's thread.
 */"""


def _handlers_header(model, stamp):
    out = CFile(
        "venus_wire/handlers.h",
        "The hand-written commands: one function each, called with decoded arguments.\n\n"
        "A handler fills outputs and `ret`; the reply is encoded after it returns, unless it\n"
        "raised a fault. A missing handler makes the command a fault. With decoder->poisoned set,\n"
        "one of the objects has no host handle: the handler must not call the driver with it.",
        stamp,
        ['"venus_wire/commands.h"'],
    )
    custom = [c for c in model.commands if c.kind == "custom"]
    out.add("struct pv_wire_handlers {")
    for c in custom:
        out.add(
            f"    void (*{c.name})(struct pv_wire_decoder *decoder, struct pv_wire_{c.name} *args);"
        )
    out.add("};", "")
    out.add("/* Swap all objects in decoded input for host handles, once; args->first stays. */")
    for c in custom:
        out.add(f"void pv_wire_unwrap_{c.name}(struct pv_wire_{c.name} *args);")
    out.add(
        "",
        "/* The same by command number, for code that treats all commands alike. */",
        "void pv_wire_unwrap_any(uint32_t number, void *args);",
    )
    return out


def _decode_function(model, command):
    body = Decode(
        model, "args", f"struct pv_wire_{command.name}", False, is_custom=command.kind == "custom"
    )
    body.spans = {p: s for (c, p), s in policy.BLOB_SPAN.items() if c == command.name}
    for one in command.fields:
        if is_first(command, one):
            body.first(one)
        else:
            body.field(one)
    body.flush()
    lines = body.lines + body.last_lines
    if not command.first:
        lines = ["decoder->trace_id = 0;"] + lines
    if command.return_type != "void":
        lines = ["args->ret = 0;"] + lines
    if command.name in policy.OVERRIDES:
        lines.append(policy.OVERRIDES[command.name])
    text = [
        f"static inline bool decode_{command.name}(struct pv_wire_decoder *decoder,",
        f"    struct pv_wire_{command.name} *args)",
        "{",
    ]
    if body.locals:
        text += indent(list(body.locals.values())) + [""]
    return text + indent(lines) + ["    return true;", "}", ""]


def _outputs(command):
    return [f for f in command.fields if f.is_out]


def _reply(model, command):
    """(statement that replies, function text)"""
    outputs = _outputs(command)
    if not outputs and command.return_type == "void":
        return "pv_wire_reply_void(decoder);", []
    if not outputs and command.return_type == "VkResult":
        return "pv_wire_reply_result(decoder, args.ret);", []
    body = Encode(model, "args", f"struct pv_wire_{command.name}", False)
    lines = []
    if command.return_type != "void":
        bits = RETURN_WIRE.get(command.return_type, 8) * 8
        lines = [f"pv_base_writer_u{bits}(writer, (uint{bits}_t)args->ret);"]
    for one in outputs:
        body.field(one)
    body.flush()
    text = [
        f"static PV_NOINLINE void reply_{command.name}(struct pv_wire_decoder *decoder,",
        f"    const struct pv_wire_{command.name} *args)",
        "{",
        "    struct pv_base_writer *writer = pv_wire_reply_begin(decoder);",
    ]
    text += indent(list(body.locals.values()))
    text += ["", "    if (writer == NULL) {", "        return;", "    }"]
    text += indent(lines + body.lines) + ["}", ""]
    return f"reply_{command.name}(decoder, &args);", text


def _call_arguments(command):
    return ", ".join("NULL" if f.kind == "alloc" else f"args.{f.name}" for f in command.fields)


def _forward(model, command, reply):
    """Body of a command that goes to the driver as it came."""
    short = command.name[2:]
    call = f"vk->{short}({_call_arguments(command)});"
    poisoned = []
    if command.return_type != "void":
        call = "args.ret = " + call
        if command.return_type == "VkResult":
            poisoned.append("args.ret = VK_ERROR_DEVICE_LOST;")
    for one in command.fields:
        if one.is_out and one.is_count and one.kind == "ptr":
            poisoned.append(f"*args.{one.name} = 0;")
    lines = ["vk = args.first->dispatch;"]
    lines += [
        "if (PV_UNLIKELY(decoder->poisoned)) {",
        *indent(poisoned or ["/* dropped: one of its objects does not exist */"]),
        f"}} else if (PV_UNLIKELY(vk->{short} == NULL)) {{",
        "    pv_wire_refuse(decoder, PV_BASE_FAULT_DRIVER, decoder->command);",
        "    return;",
        "} else {",
        "    " + call,
        "}",
    ]
    if command.return_type == "VkResult":
        lines.append("decoder->result = args.ret;")
    lines += ["if (pv_wire_reply_is_wanted(decoder)) {", "    " + reply, "}"]
    return [f"const struct {table_of(command)} *vk;"], lines


def _create(model, command, reply):
    short = command.name[2:]
    destroy = "Destroy" + short[len("Create") :].removesuffix("2")
    out = command.fields[-1]
    handle = command.out_type
    arguments = ", ".join(
        "NULL" if f.kind == "alloc" else "&handle" if f is out else f"args.{f.name}"
        for f in command.fields
    )
    lines = [
        "vk = args.first->dispatch;",
        "if (PV_UNLIKELY(decoder->poisoned)) {",
        "    args.ret = VK_ERROR_DEVICE_LOST;",
        f"}} else if (PV_UNLIKELY(vk->{short} == NULL)) {{",
        "    pv_wire_refuse(decoder, PV_BASE_FAULT_DRIVER, decoder->command);",
        "    return;",
        "} else {",
        f"    args.ret = vk->{short}({arguments});",
        "}",
        f"if (!pv_wire_object_created(decoder, args.ret, *args.{out.name},",
        f"                            {object_type(model, handle)},",
        "                            (uint64_t)(uintptr_t)handle, args.first)) {",
        f"    if (vk->{destroy} != NULL) {{",
        f"        vk->{destroy}(args.{command.fields[0].name}, handle, NULL);",
        "    }",
        "    return;",
        "}",
        "if (pv_wire_reply_is_wanted(decoder)) {",
        "    " + reply,
        "}",
    ]
    return [
        f"const struct {table_of(command)} *vk;",
        f"{handle} handle = VK_NULL_HANDLE;",
    ], lines


def _destroy(model, command):
    short = command.name[2:]
    parent, child = command.fields[0].elem.type, command.out_type
    lines = [
        f"if (!pv_wire_destroy_decode(decoder, {object_type(model, parent)},",
        f"                            {object_type(model, child)}, &first, &object)) {{",
        "    return;",
        "}",
        "if (object != NULL) {",
        f"    const struct {table_of(command)} *vk = first->dispatch;",
        "",
        f"    if (PV_UNLIKELY(object->handle != 0 && vk->{short} == NULL)) {{",
        "        pv_wire_refuse(decoder, PV_BASE_FAULT_DRIVER, decoder->command);",
        "        return;",
        "    }",
        "    decoder->object_ops->remove(decoder->context, object);",
        "    if (pv_base_fault_is_raised(&decoder->fault)) {",
        "        return;",
        "    }",
        "    if (object->handle != 0) {",
        f"        vk->{short}(({parent})(uintptr_t)first->handle,",
        f"            ({child})(uintptr_t)object->handle, NULL);",
        "    }",
        "    decoder->object_ops->free(decoder->context, object);",
        "}",
        "pv_wire_reply_void(decoder);",
    ]
    return ["struct pv_base_object *first;", "struct pv_base_object *object;"], lines


def _custom(model, command, reply):
    lines = [
        f"if (PV_UNLIKELY(decoder->handlers->{command.name} == NULL)) {{",
        "    pv_wire_refuse(decoder, PV_BASE_FAULT_COMMAND, decoder->command);",
        "    return;",
        "}",
        "decoder->as_objects = true;",
        f"is_decoded = decode_{command.name}(decoder, &args);",
        "decoder->as_objects = false;",
        "if (PV_UNLIKELY(!is_decoded)) {",
        "    return;",
        "}",
        f"decoder->handlers->{command.name}(decoder, &args);",
    ]
    if command.name == "vkExecuteCommandStreamsMESA":
        lines += [
            "/* The nested commands left their own header there. */",
            f"decoder->command = PV_WIRE_COMMAND_{command.name};",
            "decoder->flags = flags;",
        ]
    if command.return_type == "VkResult":
        lines.append("decoder->result = args.ret;")
    lines += ["if (pv_wire_reply_is_wanted(decoder)) {", "    " + reply, "}"]
    declarations = ["bool is_decoded;"]
    if command.name == "vkExecuteCommandStreamsMESA":
        declarations.append("const uint32_t flags = decoder->flags;")
    return declarations, lines


def _command(model, command, out):
    if command.kind == "destroy":
        declarations, lines = _destroy(model, command)
    else:
        reply, reply_text = _reply(model, command)
        out.add(*_decode_function(model, command))
        if reply_text:
            out.add(*reply_text)
        if command.kind == "custom":
            declarations, lines = _custom(model, command, reply)
        elif command.kind == "create":
            declarations, lines = _create(model, command, reply)
        else:
            declarations, lines = _forward(model, command, reply)
        declarations = [f"struct pv_wire_{command.name} args;"] + declarations
        if command.kind != "custom":
            lines = [
                f"if (PV_UNLIKELY(!decode_{command.name}(decoder, &args))) {{",
                "    return;",
                "}",
            ] + lines
    out.add(f"void pv_wire_dispatch_{command.name}(struct pv_wire_decoder *decoder)", "{")
    out.add(*indent(declarations), "", *indent(lines), "}", "")
    if command.kind == "custom":
        lines = unwrap_lines(model, "args", command.fields)
        out.add(f"void pv_wire_unwrap_{command.name}(struct pv_wire_{command.name} *args)", "{")
        out.add(*indent(lines or ["(void)args;"]), "}", "")


def _dispatch(model, stamp):
    out = CFile(
        "venus_wire/dispatch.c",
        "From a command's number to the function that decodes it.",
        stamp,
        ['"venus_wire/dispatch.h"'],
    )
    out.add(
        "static void refuse(struct pv_wire_decoder *decoder)",
        "{",
        "    pv_wire_fault_raise(decoder, PV_BASE_FAULT_COMMAND, decoder->command);",
        "}",
        "",
    )
    out.add("static void (*const dispatchers[PV_WIRE_COMMAND_COUNT])(struct pv_wire_decoder *) = {")
    by_number = {c.number: c for c in model.commands}
    for number in range(len(command_numbers.COMMANDS)):
        command = by_number.get(number)
        is_carried = command is not None and command.kind != "refused"
        function = f"pv_wire_dispatch_{command.name}" if is_carried else "refuse"
        out.add(f"    [{number}] = {function},")
    out.add(
        "};",
        "",
        "void pv_wire_dispatch(struct pv_wire_decoder *decoder)",
        "{",
        "    const uint8_t *p = pv_wire_take(decoder, 8);",
        "    uint32_t number;",
        "",
        "    if (PV_UNLIKELY(p == NULL)) {",
        "        return;",
        "    }",
        "    number = pv_base_load_u32(p);",
        "    decoder->command = number;",
        "    decoder->flags = pv_base_load_u32(p + 4);",
        "    decoder->poisoned = false;",
        "    decoder->result = 0;",
        "    if (PV_UNLIKELY(number >= PV_WIRE_COMMAND_COUNT)) {",
        "        refuse(decoder);",
        "        return;",
        "    }",
        "    dispatchers[number](decoder);",
        "}",
        "",
        "void pv_wire_unwrap_any(uint32_t number, void *args)",
        "{",
        "    switch (number) {",
    )
    for c in model.commands:
        if c.kind == "custom":
            out.add(f"    case {c.number}:", f"        pv_wire_unwrap_{c.name}(args);")
            out.add("        break;")
    out.add("    default:", "        break;", "    }", "}")
    return out


def _dispatch_header(model, stamp):
    out = CFile(
        "venus_wire/dispatch.h",
        "The dispatch function of each command, for the table; call pv_wire_dispatch instead.\n"
        "Each decodes arguments after the header, acts, and replies.",
        stamp,
        ['"venus_wire/handlers.h"'],
    )
    for c in model.commands:
        if c.kind != "refused":
            out.add(f"void pv_wire_dispatch_{c.name}(struct pv_wire_decoder *decoder);")
    return out


def emit(model, stamp):
    """All command files, as CFile objects."""
    commands = _commands_header(model, stamp)
    text = "void pv_wire_dispatch(struct pv_wire_decoder *decoder);"
    commands.lines[commands.lines.index(text)] = DISPATCH_CONTRACT + "\n" + text
    files = [
        _mesa_header(model, stamp),
        commands,
        _handlers_header(model, stamp),
        _dispatch_header(model, stamp),
        _dispatch(model, stamp),
    ]
    groups = {}
    for command in model.commands:
        if command.kind != "refused":
            groups.setdefault(command.group, []).append(command)
    for group, members in sorted(groups.items()):
        out = CFile(
            f"venus_wire/{group}.c",
            "Commands of this group: decode, act, reply.",
            stamp,
            ['"venus_wire/dispatch.h"', '"venus_wire/structs.h"', '"vkhost_tables/tables.h"'],
        )
        for command in members:
            _command(model, command, out)
        files.append(out)
    return files
