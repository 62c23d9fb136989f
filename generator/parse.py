# SPDX-License-Identifier: MIT
"""Reads the Vulkan registry (vk.xml) into plain data; decides nothing.

Names that exist only for other APIs than Vulkan (Vulkan SC) are dropped here, so that later steps
never see two definitions of one thing.
"""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field


@dataclass
class Member:
    """One member of a struct or union, or one parameter of a command."""

    name: str
    type: str  # the type's name without const, pointers and dimensions
    pointers: int = 0  # number of '*'
    is_const: bool = False  # the pointed-to thing is const
    dims: list = field(default_factory=list)  # fixed array: numbers or names of constants
    bits: int = 0  # width of a bit field, 0 for ordinary members
    len: str = ""  # raw 'len' ('altlen' where there is one), "" if none
    optional: str = ""  # raw 'optional': "", "true", "false,true", ...
    values: str = ""  # the only value allowed: an sType
    selector: str = ""  # the member that selects a union's arm
    selection: str = ""  # of an arm: the selector's values, comma-separated
    no_auto_validity: bool = False
    is_stride: bool = False  # 'stride' was given: elements may be apart by another parameter
    declaration: str = ""  # the C text, for prototypes


@dataclass
class Struct:
    name: str
    category: str  # "struct" or "union"
    members: list
    extends: list  # names of structs whose pNext may hold it
    returned_only: bool = False
    allow_duplicate: bool = False
    s_type: str = ""  # name of the VkStructureType value, "" if it has none


@dataclass
class Handle:
    name: str
    object_type: str  # VK_OBJECT_TYPE_...
    parent: str
    is_dispatchable: bool


@dataclass
class Command:
    name: str
    return_type: str
    params: list
    aliases: list = field(default_factory=list)


@dataclass
class Extension:
    name: str
    number: int
    kind: str  # "instance", "device" or ""
    spec_version: int
    supported: list
    platform: str
    is_provisional: bool
    types: list
    commands: list


@dataclass
class Feature:
    name: str
    number: str
    types: list
    commands: list


@dataclass
class Registry:
    basetypes: dict = field(default_factory=dict)  # name -> C type it stands for, "" if opaque
    bitmasks: dict = field(default_factory=dict)  # name -> VkFlags or VkFlags64
    enums: set = field(default_factory=set)  # names of enum types, 32 bits each
    enums64: set = field(default_factory=set)
    constants: dict = field(default_factory=dict)  # API constants: name -> text
    values: dict = field(default_factory=dict)  # enumerator -> integer
    handles: dict = field(default_factory=dict)
    structs: dict = field(default_factory=dict)
    struct_aliases: dict = field(default_factory=dict)  # alias -> canonical name
    type_aliases: dict = field(default_factory=dict)  # the same for all other types
    commands: dict = field(default_factory=dict)
    command_aliases: dict = field(default_factory=dict)
    extensions: list = field(default_factory=list)
    features: list = field(default_factory=list)
    header_version: int = 0


def _is_vulkan(element):
    api = element.get("api")
    return api is None or "vulkan" in api.split(",")


def parse_member(element):
    """One <member> or <param>."""
    text = ""
    for piece in element.iter():
        if piece.tag == "comment":
            continue
        text += piece.text or ""
        if piece is not element:
            text += piece.tail or ""
    name = element.findtext("name")
    before, after = text.split(name, 1) if text.count(name) == 1 else text.rsplit(name, 1)
    after = after.strip()
    dims = []
    bits = 0
    if after.startswith("["):
        dims = [int(d) if d.isdigit() else d for d in after.strip("[]").split("][")]
    elif after.startswith(":"):
        bits = int(after[1:])
    return Member(
        name=name,
        type=element.findtext("type"),
        pointers=before.count("*"),
        is_const="const" in before.split("*")[0].split(),
        dims=dims,
        bits=bits,
        len=element.get("altlen") or element.get("len") or "",
        optional=element.get("optional") or "",
        values=element.get("values") or "",
        selector=element.get("selector") or "",
        selection=element.get("selection") or "",
        no_auto_validity=element.get("noautovalidity") == "true",
        is_stride=element.get("stride") is not None,
        declaration=" ".join(text.split()),
    )


def _parse_struct(registry, element):
    name = element.get("name")
    if element.get("alias"):
        registry.struct_aliases[name] = element.get("alias")
        return
    members = [parse_member(m) for m in element.findall("member") if _is_vulkan(m)]
    s_type = members[0].values if members and members[0].name == "sType" else ""
    registry.structs[name] = Struct(
        name=name,
        category=element.get("category"),
        members=members,
        extends=[e for e in (element.get("structextends") or "").split(",") if e],
        returned_only=element.get("returnedonly") == "true",
        allow_duplicate=element.get("allowduplicate") == "true",
        s_type=s_type,
    )


def _parse_types(registry, root):
    for element in root.iterfind("types/type"):
        category = element.get("category")
        name = element.get("name") or element.findtext("name")
        if not _is_vulkan(element):
            continue
        if category in ("struct", "union"):
            _parse_struct(registry, element)
        elif element.get("alias"):
            registry.type_aliases[name] = element.get("alias")
        elif category == "handle":
            registry.handles[name] = Handle(
                name=name,
                object_type=element.get("objtypeenum"),
                parent=element.get("parent") or "",
                is_dispatchable=element.findtext("type") == "VK_DEFINE_HANDLE",
            )
        elif category == "basetype":
            registry.basetypes[name] = element.findtext("type") or ""
        elif category == "bitmask":
            registry.bitmasks[name] = element.findtext("type")
        elif category == "enum":
            registry.enums.add(name)
        elif category == "define" and name == "VK_HEADER_VERSION":
            registry.header_version = int("".join(element.itertext()).split()[-1])


def _parse_enums(registry, root):
    for block in root.iterfind("enums"):
        name = block.get("name")
        if block.get("type") not in ("enum", "bitmask"):
            for element in block.iterfind("enum"):
                if element.get("value"):
                    registry.constants[element.get("name")] = element.get("value")
            continue
        if block.get("bitwidth") == "64":
            registry.enums64.add(name)
        for element in block.iterfind("enum"):
            if element.get("value"):
                registry.values[element.get("name")] = int(element.get("value"), 0)
            elif element.get("bitpos"):
                registry.values[element.get("name")] = 1 << int(element.get("bitpos"))


def _parse_command(registry, element):
    if element.get("alias"):
        registry.command_aliases[element.get("name")] = element.get("alias")
        return
    name = element.findtext("proto/name")
    registry.commands[name] = Command(
        name=name,
        return_type=element.findtext("proto/type"),
        params=[parse_member(p) for p in element.findall("param") if _is_vulkan(p)],
    )


def _parse_required(registry, element, extension_number):
    """The <require> blocks of a feature or extension: its types, commands and enumerators."""
    types = []
    commands = []
    for require in element.iterfind("require"):
        if not _is_vulkan(require):
            continue
        types += [t.get("name") for t in require.iterfind("type")]
        commands += [c.get("name") for c in require.iterfind("command")]
        for enum in require.iterfind("enum"):
            if not _is_vulkan(enum) or enum.get("extends") is None:
                continue
            name = enum.get("name")
            if enum.get("offset"):
                number = int(enum.get("extnumber") or extension_number)
                value = 1000000000 + (number - 1) * 1000 + int(enum.get("offset"))
                registry.values[name] = -value if enum.get("dir") == "-" else value
            elif enum.get("bitpos"):
                registry.values[name] = 1 << int(enum.get("bitpos"))
            elif enum.get("value"):
                registry.values[name] = int(enum.get("value"), 0)
            elif enum.get("alias"):
                registry.type_aliases.setdefault(name, enum.get("alias"))
    return types, commands


def _spec_version(registry, element):
    name = element.get("name")
    for require in element.iterfind("require"):
        for enum in require.iterfind("enum"):
            if enum.get("name", "").endswith("_SPEC_VERSION") and enum.get("value"):
                return int(enum.get("value"))
    raise ValueError(f"{name}: no specification version")


def _parse_extensions(registry, root):
    for element in root.iterfind("extensions/extension"):
        supported = (element.get("supported") or "").split(",")
        if "vulkan" not in supported:
            continue
        number = int(element.get("number"))
        types, commands = _parse_required(registry, element, number)
        registry.extensions.append(
            Extension(
                name=element.get("name"),
                number=number,
                kind=element.get("type") or "",
                spec_version=_spec_version(registry, element),
                supported=supported,
                platform=element.get("platform") or "",
                is_provisional=element.get("provisional") == "true",
                types=types,
                commands=commands,
            )
        )


def parse_root(root):
    """The registry as data, from its XML root element."""
    registry = Registry()
    _parse_types(registry, root)
    _parse_enums(registry, root)
    for element in root.iterfind("commands/command"):
        if _is_vulkan(element):
            _parse_command(registry, element)
    for element in root.iterfind("feature"):
        if _is_vulkan(element):
            types, commands = _parse_required(registry, element, 0)
            registry.features.append(
                Feature(element.get("name"), element.get("number"), types, commands)
            )
    _parse_extensions(registry, root)
    for alias, name in registry.command_aliases.items():
        while name in registry.command_aliases:
            name = registry.command_aliases[name]
        if name in registry.commands:
            registry.commands[name].aliases.append(alias)
    return registry


def parse_file(path):
    """The registry as data, from a vk.xml. Raises OSError or ElementTree.ParseError."""
    return parse_root(ElementTree.parse(path).getroot())
