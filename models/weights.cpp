#include "models/weights.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

// PyTorch's batch norms count their batches; nothing is computed from it.
constexpr std::string_view kBatchCount = ".num_batches_tracked";

bool is_floating(DataType type) {
  return type == DataType::f16 || type == DataType::bf16 || type == DataType::f32 || type == DataType::f64;
}

// Elements stored as T, widened.
template <class T>
void read_elements(const SafetensorsReader& file, const std::string& name, std::int64_t begin,
                   std::span<double> out) {
  std::vector<T> stored(out.size());
  file.read(name, std::as_writable_bytes(std::span(stored)), static_cast<std::uint64_t>(begin) * sizeof(T));
  std::ranges::copy(stored, out.begin());
}

}  // namespace

void check_weights(const SafetensorsReader& file, const std::vector<ParameterSpec>& parameters) {
  std::vector<std::string> missing, extra, misfit;
  std::set<std::string> wanted;
  for (const ParameterSpec& spec : parameters) {
    wanted.insert(spec.name);
    const auto found = file.tensors().find(spec.name);
    if (found == file.tensors().end()) {
      missing.push_back(spec.name);
    } else if (found->second.shape != spec.shape || !is_floating(found->second.type)) {
      misfit.push_back(fmt::format("{} is {} {}, wanted {}", spec.name, name_of(found->second.type),
                                   format_shape(found->second.shape), format_shape(spec.shape)));
    }
  }
  for (const auto& [name, info] : file.tensors()) {
    if (!wanted.contains(name) && !name.ends_with(kBatchCount)) extra.push_back(name);
  }
  if (missing.empty() && extra.empty() && misfit.empty()) return;
  std::string differences;
  const auto list = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) differences += fmt::format("; {}: {}", what, fmt::join(names, ", "));
  };
  list("missing", missing);
  list("not in the model", extra);
  list("of another shape or type", misfit);
  throw Error(
      ExitCode::bad_data,
      fmt::format("{}: not the weights of this model{}", file.path().string(), differences),
      "compare model.name, model.image_size, model.classes and model.layer_scale with what the file was "
      "made for");
}

void read_weights(const SafetensorsReader& file, const std::string& name, std::int64_t begin,
                  std::span<double> out) {
  const TensorInfo& info = file.info(name);
  const auto size = static_cast<std::int64_t>(out.size());
  if (begin < 0 || size > info.elements() || begin > info.elements() - size) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: elements {} to {} of {}, which has {}", file.path().string(), begin,
                            begin + size, name, info.elements()));
  }
  if (info.type == DataType::f64) return read_elements<double>(file, name, begin, out);
  if (info.type == DataType::f32) return read_elements<float>(file, name, begin, out);
  const std::vector<float> whole = file.read_as_float(name);  // refuses what is not floating point
  std::ranges::copy(std::span(whole).subspan(static_cast<std::size_t>(begin), out.size()), out.begin());
}

}  // namespace vitrail::models
