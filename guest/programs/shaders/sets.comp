#version 450
/* Several sets: an array of storage buffers, a uniform buffer with a dynamic offset, texels. */
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) readonly buffer Source { uint words[64]; } source[3];
layout(set = 1, binding = 0) uniform Weights { uvec4 weight; };
layout(set = 1, binding = 1) uniform usamplerBuffer texels;
layout(set = 1, binding = 2, r32ui) uniform writeonly uimageBuffer target;

void main()
{
    int i = int(gl_LocalInvocationID.x);
    uint x = source[0].words[i] * weight.x + source[1].words[i] * weight.y
             + source[2].words[i] * weight.z + texelFetch(texels, i).x + weight.w;

    imageStore(target, i, uvec4(x));
}
