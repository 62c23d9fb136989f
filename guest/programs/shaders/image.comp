#version 450
/* Reads one storage image, mirrored, and writes another. */
layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0, r32ui) uniform readonly uimage2D source;
layout(set = 0, binding = 1, r32ui) uniform writeonly uimage2D target;

void main()
{
    ivec2 size = imageSize(source);
    ivec2 at = ivec2(gl_GlobalInvocationID.xy);

    imageStore(target, at, imageLoad(source, size - 1 - at) * 3u + uvec4(uint(at.x * 7 + at.y)));
}
