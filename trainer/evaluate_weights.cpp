#include "trainer/evaluate_weights.hpp"

#include <torch/torch.h>

#include "models/weights.hpp"
#include "trainer/checkpoint_folder.hpp"
#include "trainer/checkpoint_reader.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/tensor_type.hpp"

namespace vitrail::trainer {
namespace {

std::vector<at::Tensor> from_checkpoint(const std::vector<models::ParameterSpec>& specs,
                                        const std::string& path) {
  const CheckpointReader checkpoint(find_checkpoint(path));
  checkpoint.verify();
  std::vector<StoredParameter> wanted;
  for (const auto& spec : specs) wanted.push_back({spec.name, spec.shape});
  if (wanted != checkpoint.manifest().parameters) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: its parameters are not those of the model", checkpoint.folder().string()),
                "leave model.* out: the checkpoint knows its model");
  }
  std::vector<at::Tensor> tensors;
  for (std::size_t p = 0; p < specs.size(); ++p) {
    const auto values = checkpoint.read_all<double>(sharding::StateKind::weight, p);
    tensors.push_back(at::tensor(values, at::kDouble).view(specs[p].shape));
  }
  return tensors;
}

std::vector<at::Tensor> from_file(const std::vector<models::ParameterSpec>& specs, const std::string& path) {
  const SafetensorsReader file(path);
  models::check_weights(file, specs);
  std::vector<at::Tensor> tensors;
  for (const auto& spec : specs) {
    tensors.push_back(at::tensor(file.read_as_double(spec.name), at::kDouble).view(spec.shape));
  }
  return tensors;
}

}  // namespace

EvaluationMetrics evaluate_weights(const Config& config, const std::string& checkpoint,
                                   sharding::Communicator& communicator) {
  at::set_num_threads(static_cast<int>(config.run.threads));
  const DataType type = compute_type(config.precision.compute);
  const auto model = models::make_model(config.model);
  const auto& specs = model->parameters();
  auto tensors =
      checkpoint.empty() ? from_file(specs, config.model.weights) : from_checkpoint(specs, checkpoint);
  for (at::Tensor& tensor : tensors) tensor = tensor.to(tensor_type(type));
  model->bind(tensors);
  const EvaluationPlan plan{config.run.lanes,
                            config.evaluation.batch_size,
                            config.data.workers,
                            {config.model.image_size, config.evaluation.crop_ratio},
                            type};
  return *evaluate(*model, datasets::open_dataset(config.data.val), plan, communicator, [] { return false; });
}

}  // namespace vitrail::trainer
