#include "trainer/lane.hpp"

#include <vector>

#include <ATen/ATen.h>

#include "trainer/device/tensor_type.hpp"

namespace vitrail::trainer {

at::Tensor loss_of_lane(const Task& task, const Network& student, datasets::LaneBatch& batch,
                        const TaskState& state, const models::Pass& pass, std::span<double> shared) {
  const std::vector<datasets::ViewPlan> plans = task.views();
  std::vector<at::Tensor> views;
  for (std::size_t v = 0; v < plans.size(); ++v) {
    views.push_back(image_tensor(batch.views.at(v), batch.images_count, plans[v].image_size,
                                 student.parameters.compute_type(), student.parameters.device()));
  }
  return task.lane_loss({*student.model, batch, views, state, pass}, shared);
}

}  // namespace vitrail::trainer
