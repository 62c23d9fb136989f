# SPDX-License-Identifier: MIT
"""What the model is made of: commands, structs, their fields and elements."""

from dataclasses import dataclass, field


@dataclass
class Elem:
    """What one element of a field is."""

    kind: str  # scalar, handle, struct, union, void, char
    type: str  # C type name
    size: int  # in C
    align: int
    wire: int  # bytes on the wire when alone; 0 if it varies


@dataclass
class Field:
    """One member or parameter and how it travels.

    kind: scalar, handle, struct, union (by value); fixed, chars (fixed arrays); ptr (to one),
    array (counted), blob (counted bytes), string, strings, alloc, stype, pnext
    """

    name: str
    kind: str
    elem: Elem
    member: object  # parse.Member
    count: str = ""  # C expression with {o} for the owner, "" where there is none
    dims: int = 0  # elements of a fixed array
    required: bool = False  # NULL is not allowed
    nullable: bool = False  # handles: VK_NULL_HANDLE is allowed (of an array: its elements)
    is_out: bool = False  # written by the driver
    is_count: bool = False  # length of a counted array: goes in and comes out
    count_of: str = ""  # name of the member that holds the count
    concurrent_only: bool = False  # sent when sharingMode is CONCURRENT
    offset: int = 0  # in C


@dataclass
class StructModel:
    name: str
    fields: list
    s_type: str = ""
    s_type_value: int = 0
    size: int = 0
    align: int = 1
    is_plain: bool = False  # memory and wire are the same bytes
    plain_members: int = 0  # of an sType struct: bytes after pNext that are plain, 0 if not all
    fixed_wire: int = -1  # bytes on the wire when that never varies, else -1
    has_handles: bool = False  # itself or anything below it, pNext included
    chain: list = field(default_factory=list)  # names of structs that its pNext may hold
    chain_names: list = field(default_factory=list)
    returned_only: bool = False
    allow_duplicate: bool = False
    is_union: bool = False
    arms: dict = field(default_factory=dict)  # tag -> Field
    uses: set = field(default_factory=set)  # of "in", "out", "unwrap"


@dataclass
class CommandModel:
    name: str
    number: int
    return_type: str
    fields: list
    kind: str  # forward, create, destroy, custom, refused
    reason: str = ""
    is_new: bool = False
    first: str = ""  # type of the dispatchable first parameter, "" if it has none
    group: str = ""
    out_type: str = ""  # create and destroy: the handle type


@dataclass
class Model:
    registry: object
    commands: list
    structs: dict
    refused_structs: dict  # name -> reason
    extensions: list  # (name, number, spec_version), by number
    order: list  # names of used structs, members before owners
