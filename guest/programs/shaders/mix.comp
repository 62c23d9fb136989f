#version 450
/* Integer mixing: shifts, multiplications, rotations, bit counts and a division per word. */
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) readonly buffer Source { uint source[]; };
layout(set = 0, binding = 1) writeonly buffer Target { uint target[]; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
    uint x = source[i] ^ (i * 0x9e3779b9u);

    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    x = (x << 7) | (x >> 25);
    x += uint(bitCount(x)) * 977u + x % 1013u;
    x -= x / 7u;
    target[i] = x;
}
