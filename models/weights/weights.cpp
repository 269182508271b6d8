#include "models/weights/weights.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

// PyTorch's batch norms count their batches; nothing is computed from it.
constexpr std::string_view kBatchCount = ".num_batches_tracked";

constexpr std::size_t kShown = 4;  // of a list of differences: another network has hundreds

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

std::int64_t grid_of(std::int64_t tokens) {
  return static_cast<std::int64_t>(std::sqrt(static_cast<double>(tokens)));
}

// Positions are those of at most two leading tokens and a square grid; the leading ones have to be as many.
bool is_other_grid(const std::vector<std::int64_t>& stored, const std::vector<std::int64_t>& wanted) {
  if (stored.size() != 3 || stored[0] != 1 || stored[2] != wanted[2] || stored[1] < 1) return false;
  const std::int64_t leading = wanted[1] - grid_of(wanted[1]) * grid_of(wanted[1]);
  const std::int64_t patches = stored[1] - leading;
  return patches >= 1 && grid_of(patches) * grid_of(patches) == patches;
}

bool is_other_head(const std::vector<std::int64_t>& stored, const std::vector<std::int64_t>& wanted) {
  return stored.size() == wanted.size() && !stored.empty() && stored[0] >= 1 &&
         std::equal(stored.begin() + 1, stored.end(), wanted.begin() + 1);
}

// Heads of a file have one number of classes, whatever it is: their tensors change together or not at all.
std::vector<std::string> uneven_heads(const std::map<std::string, StoredTensor>& stored,
                                      const std::vector<ParameterSpec>& parameters,
                                      const std::vector<Fit>& fits) {
  std::set<std::int64_t> classes;
  std::vector<std::string> heads;
  bool begins_anew = false;
  for (std::size_t p = 0; p < fits.size() && fits.size() == parameters.size(); ++p) {
    const std::string& name = parameters[p].name;
    if (!parameters[p].head || !stored.contains(name) || stored.at(name).shape.empty()) continue;
    begins_anew = begins_anew || fits[p] != Fit::as_stored;
    classes.insert(stored.at(name).shape[0]);
    heads.push_back(fmt::format("{} is {}", name, format_shape(stored.at(name).shape)));
  }
  if (classes.size() < 2 || !begins_anew) heads.clear();
  return heads;
}

std::optional<Fit> fit_of(const ParameterSpec& spec, const StoredTensor& stored) {
  if (!is_floating(stored.type)) return std::nullopt;
  if (stored.shape == spec.shape) return Fit::as_stored;
  if (spec.role == Role::position && is_other_grid(stored.shape, spec.shape)) return Fit::resized;
  if (spec.head && is_other_head(stored.shape, spec.shape)) return Fit::fresh;
  return std::nullopt;
}

}  // namespace

std::string wrapper_prefix(const std::map<std::string, StoredTensor>& stored,
                           const std::vector<ParameterSpec>& parameters) {
  constexpr std::array<std::string_view, 3> kWrappers = {"module.", "_orig_mod.", "model."};
  constexpr int kDeepest = 8;
  std::string prefix;
  for (int depth = 0; depth <= kDeepest; ++depth) {
    const auto is_stored = [&](const ParameterSpec& spec) { return stored.contains(prefix + spec.name); };
    if (std::ranges::any_of(parameters, is_stored)) return prefix;
    const auto wraps = [&](std::string_view wrapper) {
      const std::string longer = fmt::format("{}{}", prefix, wrapper);
      const auto next = stored.lower_bound(longer);
      return next != stored.end() && next->first.starts_with(longer);
    };
    const auto* const wrapper = std::ranges::find_if(kWrappers, wraps);
    if (wrapper == kWrappers.end()) break;
    prefix += *wrapper;
  }
  return "";
}

std::map<std::string, StoredTensor> without_prefix(const std::map<std::string, StoredTensor>& stored,
                                                   const std::string& prefix) {
  std::map<std::string, StoredTensor> names;
  for (const auto& [name, tensor] : stored)
    names.emplace(name.starts_with(prefix) ? name.substr(prefix.size()) : name, tensor);
  return names;
}

std::map<std::string, StoredTensor> stored_tensors(const SafetensorsReader& file) {
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, info] : file.tensors()) stored[name] = {info.type, info.shape};
  return stored;
}

std::vector<Fit> fit_weights(const std::map<std::string, StoredTensor>& stored,
                             const std::vector<ParameterSpec>& parameters, const std::string& where) {
  std::vector<std::string> missing, extra, misfit;
  std::set<std::string> wanted;
  std::vector<Fit> fits;
  const bool headless = std::ranges::none_of(
      parameters, [&](const ParameterSpec& spec) { return spec.head && stored.contains(spec.name); });
  for (const ParameterSpec& spec : parameters) {
    wanted.insert(spec.name);
    const auto found = stored.find(spec.name);
    if (found == stored.end()) {
      const bool replaces = !spec.replaces.empty() && stored.contains(spec.replaces);
      if (replaces) wanted.insert(spec.replaces);
      if (replaces || (headless && spec.head))
        fits.push_back(Fit::fresh);
      else
        missing.push_back(spec.name);
      continue;
    }
    const std::optional<Fit> fit = fit_of(spec, found->second);
    fits.push_back(fit.value_or(Fit::as_stored));
    if (!fit) {
      misfit.push_back(fmt::format("{} is {} {}, wanted {}{}", spec.name, name_of(found->second.type),
                                   format_shape(found->second.shape),
                                   is_floating(found->second.type) ? "" : "floating-point ",
                                   format_shape(spec.shape)));
    }
  }
  for (const std::string& name : uneven_heads(stored, parameters, fits)) misfit.push_back(name);
  for (const auto& [name, info] : stored) {
    if (!wanted.contains(name) && !name.ends_with(kBatchCount)) extra.push_back(name);
  }
  if (missing.empty() && extra.empty() && misfit.empty()) return fits;
  std::string differences;
  const auto list = [&](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    const std::size_t shown = std::min(kShown, names.size());
    differences += fmt::format("; {}: {}", what, fmt::join(names.begin(), names.begin() + shown, ", "));
    if (shown < names.size()) differences += fmt::format(" and {} more", names.size() - shown);
  };
  list("missing", missing);
  list("not in the model", extra);
  list("of another shape or type", misfit);
  throw Error(ExitCode::bad_data, fmt::format("{}: not the weights of this model{}", where, differences),
              "compare model.name and the other keys of model with what the file was made for");
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
