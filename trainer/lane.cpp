#include "trainer/lane.hpp"

#include <ATen/ATen.h>

#include "trainer/device/tensor_type.hpp"

namespace vitrail::trainer {

at::Tensor loss_of_lane(const Task& task, const models::Model& model, const ParameterStore& parameters,
                        datasets::LaneBatch& batch, std::int64_t image_size, const models::Pass& pass) {
  const at::Tensor images = image_tensor(batch.images, batch.images_count, image_size,
                                         parameters.compute_type(), parameters.device());
  return task.lane_loss(model, batch, images, pass);
}

}  // namespace vitrail::trainer
