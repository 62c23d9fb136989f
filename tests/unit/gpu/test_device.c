/* SPDX-License-Identifier: MIT */
/*
 * gpu/device.c: options, configuration space, mode changes, start and reset.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/device.h"
#include "support/gpu_bench.h"

static struct pv_gpu_device_options good_options(void)
{
    return (struct pv_gpu_device_options){
        .size_bytes = sizeof(struct pv_gpu_device_options),
        .window_fd = -1,
        .scanout_count = 1,
        .width_px = 1024,
        .height_px = 768,
    };
}

static void test_options_without_sense(void **state)
{
    struct pv_gpu_device_options options = good_options();
    struct pv_gpu_device *device;

    (void)state;
    assert_int_equal(pv_gpu_device_create(&options, &device), 0);
    pv_gpu_device_destroy(device);
    pv_gpu_device_destroy(NULL);

    options = good_options();
    options.size_bytes--;
    assert_int_equal(pv_gpu_device_create(&options, &device), -EINVAL);
    options = good_options();
    options.scanout_count = PV_GPU_SCANOUT_COUNT_MAX + 1;
    assert_int_equal(pv_gpu_device_create(&options, &device), -EINVAL);
    options = good_options();
    options.width_px = PV_GPU_MODE_MAX_PX + 1;
    assert_int_equal(pv_gpu_device_create(&options, &device), -EINVAL);
    options = good_options();
    options.height_px = PV_GPU_MODE_MIN_PX - 1;
    assert_int_equal(pv_gpu_device_create(&options, &device), -EINVAL);
    options = good_options();
    options.window_fd = 0;
    options.window_size_bytes = 5000;
    assert_int_equal(pv_gpu_device_create(&options, &device), -EINVAL);
    options = good_options();
    options.context_ops = &fake_context_ops;
    assert_int_equal(pv_gpu_device_create(&options, &device), -EINVAL); /* no capset */
}

static void test_features_follow_the_options(void **state)
{
    const struct pv_virtio_device_ops *ops = pv_gpu_device_virtio_ops();
    struct pv_gpu_device_options options = good_options();
    struct pv_gpu_device *device;
    struct bench *bench = bench_open();

    (void)state;
    assert_int_equal(pv_gpu_device_create(&options, &device), 0);
    assert_int_equal(ops->features(device), PV_GPU_FEATURE_EDID | PV_GPU_FEATURE_UUID);
    pv_gpu_device_destroy(device);
    assert_int_equal(ops->features(bench->device), 0x1f);
    assert_int_equal(ops->device_id, 16);
    assert_int_equal(ops->queue_count, 2);
    assert_int_equal(ops->config_size_bytes, 16);
    bench_close(bench);
}

static void test_configuration_space(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_config config;
    uint8_t bytes[24];

    (void)state;
    bench->ops->config_read(bench->device, 0, &config, sizeof(config));
    assert_int_equal(config.events_read, 0);
    assert_int_equal(config.scanout_count, 1);
    assert_int_equal(config.capset_count, 1);
    memset(bytes, 0xff, sizeof(bytes));
    bench->ops->config_read(bench->device, 8, bytes, sizeof(bytes));
    assert_int_equal(bytes[0], 1);
    assert_int_equal(bytes[8], 0); /* past the end */
    assert_int_equal(bytes[23], 0);
    bench_close(bench);
}

static void test_a_mode_change_is_an_event(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_config config;
    const uint32_t clear = PV_GPU_EVENT_DISPLAY;

    (void)state;
    assert_int_equal(pv_gpu_device_set_mode(bench->device, 1, 800, 600), -EINVAL);
    assert_int_equal(pv_gpu_device_set_mode(bench->device, 0, 8000, 600), -EINVAL);
    assert_int_equal(pv_gpu_device_set_mode(bench->device, 0, 1024, 768), 0);
    assert_int_equal(bench->config_changes, 0); /* nothing new */
    assert_int_equal(pv_gpu_device_set_mode(bench->device, 0, 800, 600), 0);
    assert_int_equal(bench->config_changes, 1);
    bench->ops->config_read(bench->device, 0, &config, sizeof(config));
    assert_int_equal(config.events_read, PV_GPU_EVENT_DISPLAY);
    /* vhost-user hands over the whole space as it was read: that clears nothing. */
    bench->ops->config_write(bench->device, 0, &config, sizeof(config));
    bench->ops->config_read(bench->device, 0, &config, sizeof(config));
    assert_int_equal(config.events_read, PV_GPU_EVENT_DISPLAY);
    bench->ops->config_write(bench->device, 4, &clear, sizeof(clear));
    bench->ops->config_read(bench->device, 0, &config, sizeof(config));
    assert_int_equal(config.events_read, 0);
    assert_int_equal(config.events_clear, 0);
    bench_close(bench);
}

static void test_writes_past_the_configuration_space(void **state)
{
    struct bench *bench = bench_open();
    uint8_t bytes[64];

    (void)state;
    memset(bytes, 0xff, sizeof(bytes));
    bench->ops->config_write(bench->device, 12, bytes, 64);
    bench->ops->config_write(bench->device, UINT32_MAX, bytes, 4);
    bench->ops->config_write(bench->device, 8, bytes, 8); /* read-only fields */
    assert_true(bench_still_answers(bench));
    bench_close(bench);
}

static void test_reset_forgets_everything(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_statistics figures;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 0);
    bench_2d(bench, 1, 64, 64);
    bench_shmem(bench, 1, 2, 8192);
    assert_int_equal(bench_answer(bench_map(bench, 2, 0)), PV_GPU_OK_MAP_INFO);
    bench->window[0] = 0x77;
    bench->ops->reset(bench->device);
    assert_int_equal(bench->window[0], 0);
    pv_gpu_device_get_statistics(bench->device, &figures);
    assert_int_equal(figures.context_count + figures.empty_context_count, 0);
    assert_int_equal(figures.resource_count, 0);
    assert_int_equal(figures.memory_used_bytes, 0);
    assert_int_equal(figures.window_used_bytes, 0);
    assert_int_equal(bench->device->resource_fd_count, 0);
    assert_int_equal(fake_count(&bench->fake, FAKE_DESTROY), 1);
    bench->ops->start(bench->device, 0x1f, true);
    bench_context(bench, 1, 4); /* all ids are free again */
    bench_2d(bench, 1, 64, 64);
    bench_close(bench);
}

static void test_pause_keeps_everything(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 64, 64);
    bench->ops->pause(bench->device);
    bench->ops->resume(bench->device);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 1)),
                     PV_GPU_OK_NODATA);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_without_sense),
        cmocka_unit_test(test_features_follow_the_options),
        cmocka_unit_test(test_configuration_space),
        cmocka_unit_test(test_a_mode_change_is_an_event),
        cmocka_unit_test(test_writes_past_the_configuration_space),
        cmocka_unit_test(test_reset_forgets_everything),
        cmocka_unit_test(test_pause_keeps_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
