#version 450
/*
 * Float arithmetic whose result is the same on every device: `precise` forbids contraction to
 * fused multiply-adds, and only operations that Vulkan demands to be correctly rounded are used.
 */
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) readonly buffer Source { float source[]; };
layout(set = 0, binding = 1) writeonly buffer Target { float target[]; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
    precise float x = source[i];

    for (int n = 0; n < 16; n++) {
        precise float scaled = x * 0.8125;
        precise float moved = scaled + 0.3;
        x = moved - float(n) * 0.0625;
    }
    target[i] = x + floor(x) * 0.5 + abs(x) + min(x, 0.25) + max(x, -0.75);
}
