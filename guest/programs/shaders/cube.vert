#version 450
/* A cube from vertex and index buffers, turned by a matrix in push constants. */
layout(push_constant) uniform Push { mat4 transform; } push;
layout(location = 0) in vec3 position;
layout(location = 1) in vec2 texel;
layout(location = 2) in vec3 color;
layout(location = 0) out vec2 out_texel;
layout(location = 1) out vec3 out_color;

void main()
{
    gl_Position = push.transform * vec4(position, 1.0);
    out_texel = texel;
    out_color = color;
}
