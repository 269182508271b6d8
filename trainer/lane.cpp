#include "trainer/lane.hpp"

#include <vector>

#include <ATen/ATen.h>

#include "trainer/device/tensor_type.hpp"

namespace vitrail::trainer {

at::Tensor loss_of_lane(const Task& task, const Network& student, Network* teacher,
                        datasets::LaneBatch& batch, const TaskState& state, const models::Pass& pass,
                        std::span<double> shared) {
  const std::vector<datasets::ViewPlan> plans = task.views();
  std::vector<at::Tensor> views;
  for (std::size_t v = 0; v < plans.size(); ++v) {
    views.push_back(image_tensor(batch.views.at(v), batch.images_count, plans[v].image_size,
                                 student.parameters.compute_type(), student.parameters.device()));
  }
  models::Pass of_teacher;
  of_teacher.training = true;  // batch norm takes the batch's statistics; nothing is left out
  of_teacher.drop_path_scale = 0;
  if (teacher != nullptr) of_teacher.before_block = [teacher](int block) { teacher->wait_for(block); };
  const models::Model* const taught_by = teacher == nullptr ? nullptr : teacher->model.get();
  return task.lane_loss({*student.model, batch, views, state, pass, taught_by, of_teacher}, shared);
}

}  // namespace vitrail::trainer
