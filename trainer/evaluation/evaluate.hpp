// Exact evaluation: image i belongs to lane i mod L, every image is looked at once whatever the number of
// ranks and the batch size. What is made of the images is the scorer's business. Throws: what the loader, the
// model and the scorer throw; PeerFailure.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <c10/core/Device.h>

#include "datasets/loader/loader.hpp"
#include "models/model.hpp"
#include "sharding/comm/communicator.hpp"
#include "trainer/settings/config.hpp"
#include "trainer/tasks/scorer.hpp"

namespace vitrail::trainer {

struct EvaluationOptions {
  std::int64_t lanes = 1;
  std::int64_t batch = 256;  // images of one lane in one forward pass
  std::int64_t workers = 1;
  datasets::EvaluationTransform transform;
  DataType type = DataType::f32;
  c10::Device device = c10::kCPU;
};

// Features are of one picture of each image, answers of a classifier of evaluate.crops.
EvaluationOptions evaluation_options(const Config& config, c10::Device device);

// Shows all images of this rank's lanes to `take`, until it says no. `what` names the work to whoever waits.
// Damaged images are black, where they are not to fail.
void look_at_images(
    const std::shared_ptr<const datasets::Dataset>& dataset, const EvaluationOptions& options,
    const sharding::Communicator& communicator, const char* what,
    const std::function<bool(const at::Tensor& images, const datasets::EvaluationBatch&)>& take,
    datasets::OnDamage on_damage = datasets::OnDamage::fail);

// `interrupted` is asked after every batch of this rank; once true anywhere, all ranks stop and nothing is
// returned.
std::optional<Scores> evaluate(const models::Model& model,
                               const std::shared_ptr<const datasets::Dataset>& dataset,
                               const EvaluationOptions& options, Scorer& scorer,
                               sharding::Communicator& communicator,
                               const std::function<bool()>& interrupted);

}  // namespace vitrail::trainer
