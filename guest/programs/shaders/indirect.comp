#version 450
/* Writes the arguments of an indirect dispatch: the GPU decides how much work follows. */
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) readonly buffer Source { uint source[]; };
layout(set = 0, binding = 1) writeonly buffer Arguments { uvec4 arguments[]; };

void main()
{
    uint i = gl_WorkGroupID.x;

    arguments[i] = uvec4(source[i], 1u, 1u, 0u);
}
