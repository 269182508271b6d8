#include "trainer/export_weights.hpp"

#include "trainer/base/safetensors.hpp"

namespace vitrail::trainer {

void export_weights(const CheckpointReader& checkpoint, const std::filesystem::path& file) {
  const CheckpointManifest& manifest = checkpoint.manifest();
  std::vector<std::vector<std::byte>> storage;
  std::map<std::string, TensorBytes> tensors;
  for (std::size_t p = 0; p < manifest.parameters.size(); ++p) {
    const StoredParameter& parameter = manifest.parameters[p];
    std::vector<std::byte> bytes(static_cast<std::size_t>(parameter.elements()) * size_of(manifest.type));
    checkpoint.read(sharding::StateKind::weight, p, 0, bytes);
    storage.push_back(std::move(bytes));
    tensors[parameter.name] = {manifest.type, parameter.shape, storage.back()};
  }
  write_safetensors(file, tensors, {{"format", "pt"}, {"step", std::to_string(manifest.state.step)}});
}

}  // namespace vitrail::trainer
