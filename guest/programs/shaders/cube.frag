#version 450
layout(set = 0, binding = 0) uniform sampler2D pattern;
layout(set = 0, binding = 1) uniform Light { vec4 light; };
layout(location = 0) in vec2 texel;
layout(location = 1) in vec3 color;
layout(location = 0) out vec4 target;

void main()
{
    target = vec4(texture(pattern, texel).rgb * color * light.rgb, 1.0);
}
