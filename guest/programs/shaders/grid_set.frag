#version 450
/* As grid.frag, with a descriptor's word mixed in. */
layout(set = 0, binding = 0) uniform Word { uint word; };
layout(location = 0) flat in uint color;
layout(location = 0) out vec4 target;

void main()
{
    target = unpackUnorm4x8(color ^ word);
}
