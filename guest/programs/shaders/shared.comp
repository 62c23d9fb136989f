#version 450
/* Inclusive prefix sum over each workgroup in shared memory, with barriers between the steps. */
layout(local_size_x = 128) in;
layout(set = 0, binding = 0) readonly buffer Source { uint source[]; };
layout(set = 0, binding = 1) writeonly buffer Target { uint target[]; };
shared uint row[128];

void main()
{
    uint lane = gl_LocalInvocationID.x;

    row[lane] = source[gl_GlobalInvocationID.x];
    barrier();
    for (uint distance = 1u; distance < 128u; distance <<= 1) {
        uint other = lane >= distance ? row[lane - distance] : 0u;

        barrier();
        row[lane] += other;
        barrier();
    }
    target[gl_GlobalInvocationID.x] = row[lane];
}
