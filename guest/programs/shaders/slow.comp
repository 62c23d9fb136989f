#version 450
/*
 * Writes each word exactly once, after some work. `rounds` stretches the time of the dispatch
 * without a second write that would hide a lost first one.
 */
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) writeonly buffer Target { uint target[]; };
layout(push_constant) uniform Push { uint seed; uint rounds; } push;

void main()
{
    uint i = gl_GlobalInvocationID.x;
    uint x = i ^ push.seed;

    for (uint n = 0u; n < push.rounds; n++) {
        x = x * 1664525u + 1013904223u;
    }
    target[i] = x;
}
