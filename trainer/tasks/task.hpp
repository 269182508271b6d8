// What a run learns, as the step, the memory probe and the loop see it: from a lane's images to a loss.
// Throws: Error(refused) for what cannot be learned so, naming the key.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "datasets/dataset.hpp"
#include "datasets/lane_batch.hpp"
#include "models/model.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

class Task {
 public:
  virtual ~Task() = default;

  // A scalar, the mean over the lane's images, from which backward begins. `images` [b,3,S,S]: those of the
  // batch, on the device and in the compute type.
  virtual at::Tensor lane_loss(const models::Model& student, const datasets::LaneBatch& batch,
                               const at::Tensor& images, const models::Pass& pass) const = 0;

  virtual std::vector<std::string> log_lines() const {
    return {};
  }  // what it brings along, before the first step
};

std::unique_ptr<const Task> make_task(const Config& config, c10::Device device,
                                      const datasets::Dataset& data);

}  // namespace vitrail::trainer
