#version 450
/* Specialization constants of every scalar kind; the workgroup's width is one of them. */
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint factor = 3u;
layout(constant_id = 2) const int offset = -5;
layout(constant_id = 3) const bool negate = false;
layout(constant_id = 4) const float ratio = 0.5;
layout(set = 0, binding = 0) writeonly buffer Target { uint target[]; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
    uint x = i * factor + uint(offset) + uint(float(i) * ratio) + gl_WorkGroupSize.x;

    target[i] = negate ? ~x : x;
}
