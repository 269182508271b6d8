#include "trainer/evaluation/evaluate_weights.hpp"

#include "trainer/base/text/wall_time.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/device/tensor_type.hpp"
#include "trainer/evaluation/evaluate.hpp"
#include "trainer/open_data.hpp"
#include "trainer/tasks/same_classes.hpp"
#include "trainer/weights/weight_source.hpp"

namespace vitrail::trainer {

Evaluated evaluate_weights(const Config& config, const std::string& checkpoint_path,
                           sharding::Communicator& communicator,
                           const std::function<void(const std::string&)>& say, const GpuPromise& promise) {
  const std::string checkpoint = resolved_checkpoint(checkpoint_path);
  const c10::Device device = choose_device(config.run.device, promise, communicator);
  say(describe_devices(device, communicator, communicator.size() > 1 ? "over MPI" : ""));
  const auto model = load_model(config, checkpoint, device, say);
  const auto dataset = open_together(config.data, DataUse::evaluation, communicator);
  if (!checkpoint.empty()) {
    const CheckpointReader trained(find_checkpoint(checkpoint));
    check_same_classes(trained.manifest().class_ids, trained.folder().string(), *dataset);
  }
  EvaluationOptions plan = evaluation_options(config, device);
  const std::string& real = config.evaluation.real_labels;
  if (!real.empty()) plan.real = std::make_shared<RealLabels>(real, *dataset, config.model.classes);
  if (config.evaluation.per_class) plan.classes = config.model.classes;
  Evaluated result{*evaluate(*model, dataset, plan, communicator, [] { return false; }), {}};
  if (communicator.rank() == 0)
    result.used = {weights_origin(config, checkpoint), config.data.val, dataset->fingerprint(), utc_time()};
  return result;
}

}  // namespace vitrail::trainer
