#version 450
/* Adds one to each word: an increment that is lost anywhere shows at the end. */
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Counters { uint counter[]; };

void main()
{
    counter[gl_GlobalInvocationID.x] += 1u;
}
