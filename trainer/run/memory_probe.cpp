#include "trainer/run/memory_probe.hpp"

#include <new>

#include <ATen/ATen.h>

#include "trainer/lane.hpp"

namespace vitrail::trainer {

namespace {

Error does_not_fit(std::int64_t images) {
  return {ExitCode::refused, fmt::format("a lane batch of {} images does not fit into memory", images),
          "raise run.lanes, set model.activation_checkpointing = block, or lower data.global_batch_size"};
}

}  // namespace

std::int64_t probe_memory(Assembly& run) {
  const std::int64_t count = run.config.data.global_batch_size / run.config.lane_groups();
  models::Pass pass;
  pass.training = true;
  pass.memory_probe = true;
  datasets::LaneBatch batch;
  batch.images_count = count;
  batch.labels.assign(static_cast<std::size_t>(count), 0);
  batch.partner_labels = batch.labels;
  batch.sample_ids.assign(static_cast<std::size_t>(count), 0);
  batch.weights.assign(static_cast<std::size_t>(count), 1);
  try {
    for (const datasets::ViewPlan& view : run.task->views()) {
      batch.views.emplace_back(
          std::vector<float>(static_cast<std::size_t>(count * 3 * view.image_size * view.image_size)));
    }
    std::vector<double> shared(run.task->shared_values());
    const TaskState begins = run.task->initial_state();
    const LaneSamples samples = samples_of(batch, *run.task, run.student, run.images);
    const at::Tensor loss = loss_of_lane(*run.task, run.student, run.teacher(), samples,
                                         {begins, run.rows ? &*run.rows : nullptr}, pass, shared);
    run.gradients.begin_memory_probe();
    loss.backward();
  } catch (const std::bad_alloc&) {
    throw does_not_fit(count);
  } catch (const c10::OutOfMemoryError&) {  // of a GPU
    throw does_not_fit(count);
  }
  return run.most_memory();
}

}  // namespace vitrail::trainer
