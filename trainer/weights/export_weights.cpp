#include "trainer/weights/export_weights.hpp"

#include "trainer/base/error.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/weights/task_head.hpp"
#include "trainer/weights/weight_normalisation.hpp"

namespace vitrail::trainer {

void export_weights(const CheckpointReader& checkpoint, WeightsUsed which,
                    const std::filesystem::path& file) {
  if (which == WeightsUsed::ema && !checkpoint.has(sharding::StateKind::ema)) {
    throw Error(ExitCode::refused,
                fmt::format("{}: the run kept no average of its weights (ema.decay = 0)",
                            checkpoint.folder().string()),
                "leave --ema out");
  }
  const auto kind = which == WeightsUsed::ema ? sharding::StateKind::ema : sharding::StateKind::weight;
  const CheckpointManifest& manifest = checkpoint.manifest();
  const auto head = task_head(manifest.settings, checkpoint.folder().string());
  std::vector<std::vector<std::byte>> storage;
  std::map<std::string, TensorBytes> tensors;
  for (std::size_t p = 0; p < manifest.parameters.size(); ++p) {
    const StoredParameter& parameter = manifest.parameters[p];
    if (head.contains(parameter.name)) continue;
    std::vector<std::byte> bytes(static_cast<std::size_t>(parameter.elements()) * size_of(manifest.type));
    checkpoint.read(kind, p, 0, bytes);
    storage.push_back(std::move(bytes));
    tensors[parameter.name] = {manifest.type, parameter.shape, storage.back()};
  }
  std::map<std::string, std::string> metadata = normalisation_metadata(manifest.settings);
  metadata.insert({{"format", "pt"}, {"step", std::to_string(manifest.state.step)}});
  write_safetensors(file, tensors, metadata);
}

}  // namespace vitrail::trainer
