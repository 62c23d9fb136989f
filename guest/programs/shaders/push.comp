#version 450
/* All 128 bytes of push constants that every device has, used as a table and a position. */
layout(local_size_x = 32) in;
layout(set = 0, binding = 0) writeonly buffer Target { uint target[]; };
layout(push_constant) uniform Push { uint table[31]; uint first; } push;

void main()
{
    uint i = gl_LocalInvocationID.x;

    target[push.first + i] = push.table[i % 31u] * (i + 1u) + push.first;
}
