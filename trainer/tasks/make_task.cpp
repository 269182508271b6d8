#include "trainer/base/error.hpp"
#include "trainer/tasks/classification.hpp"
#include "trainer/tasks/linear_probe.hpp"
#include "trainer/tasks/unlabelled/grafit.hpp"
#include "trainer/tasks/unlabelled/masked_reconstruction.hpp"
#include "trainer/tasks/unlabelled/self_distillation.hpp"

namespace vitrail::trainer {

std::unique_ptr<const Task> make_task(const Config& config, c10::Device device,
                                      const datasets::Dataset& data) {
  switch (config.task.name) {
    case TaskName::dino:
      return std::make_unique<const SelfDistillation>(config, data.size());
    case TaskName::mae:
      return std::make_unique<const MaskedReconstruction>(config);
    case TaskName::grafit:
      return std::make_unique<const Grafit>(config, device, data);
    case TaskName::linear:
      return std::make_unique<const LinearProbe>(config);
    case TaskName::classification:
      break;
  }
  return std::make_unique<const Classification>(config, device, data);
}

}  // namespace vitrail::trainer
