#version 450
/*
 * One cell of a grid as a strip of four vertices. The cell is the push constant plus the instance,
 * so that a draw covers one cell or a row of them; cells end on pixel edges, hence every pixel has
 * one right colour.
 */
layout(push_constant) uniform Push { uint cell; uint color; } push;
layout(location = 0) flat out uint color;
const uint side = 32u;

void main()
{
    uint cell = push.cell + gl_InstanceIndex;
    uvec2 at = uvec2(cell % side, cell / side) + uvec2(gl_VertexIndex & 1, gl_VertexIndex >> 1);

    gl_Position = vec4(vec2(at) * (2.0 / float(side)) - 1.0, 0.0, 1.0);
    color = push.color + gl_InstanceIndex * 0x00030711u;
}
