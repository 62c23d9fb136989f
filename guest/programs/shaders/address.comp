#version 450
#extension GL_EXT_buffer_reference : require
/* Buffers by address: no descriptors at all. */
layout(local_size_x = 64) in;
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Words { uint word[]; };
layout(push_constant) uniform Push { Words source; Words target; } push;

void main()
{
    uint i = gl_GlobalInvocationID.x;

    push.target.word[i] = push.source.word[i] * 2654435761u + i;
}
