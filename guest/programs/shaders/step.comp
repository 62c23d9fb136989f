#version 450
/* One step of a generator per word, in place: a chain of dispatches makes a sequence. */
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer State { uint state[]; };
layout(push_constant) uniform Push { uint increment; } push;

void main()
{
    uint i = gl_GlobalInvocationID.x;

    state[i] = state[i] * 1664525u + push.increment;
}
