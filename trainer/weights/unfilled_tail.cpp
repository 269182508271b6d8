#include "trainer/weights/unfilled_tail.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::uint64_t kPiece = 1 << 20;  // bytes
// Less than that at the end of a tensor of numbers may be chance: a few values of narrow types.
constexpr std::uint64_t kSignificant = 256;

std::uint64_t zeros_at_end(const SafetensorsReader& file, const std::string& name) {
  const TensorInfo& tensor = file.info(name);
  const std::uint64_t size = tensor.end - tensor.begin;
  std::vector<std::byte> bytes;
  for (std::uint64_t left = size; left > 0;) {
    bytes.resize(std::min(kPiece, left));
    left -= bytes.size();
    file.read(name, bytes, left);
    const auto last =
        std::find_if(bytes.rbegin(), bytes.rend(), [](std::byte b) { return b != std::byte{0}; });
    if (last != bytes.rend()) return size - left - static_cast<std::uint64_t>(bytes.rend() - last);
  }
  return size;
}

bool is_matrix_of_body(const std::string& name, const TensorInfo& tensor,
                       const std::vector<models::ParameterSpec>& parameters, const std::string& prefix) {
  const auto large = std::ranges::count_if(tensor.shape, [](std::int64_t size) { return size > 1; });
  const auto is_head = [&](const models::ParameterSpec& spec) {
    return spec.head && name == prefix + spec.name;
  };
  return large >= 2 && std::ranges::none_of(parameters, is_head);
}

}  // namespace

void refuse_unfilled_tail(const SafetensorsReader& file, const std::vector<models::ParameterSpec>& parameters,
                          const std::string& prefix) {
  std::vector<std::pair<std::uint64_t, std::string>> by_place;
  for (const auto& [name, tensor] : file.tensors()) {
    if (tensor.begin < tensor.end) by_place.emplace_back(tensor.begin, name);
  }
  std::ranges::sort(by_place, std::greater());
  std::size_t reached = 0;
  bool body = false;
  std::string first;
  for (const auto& [begin, name] : by_place) {
    const TensorInfo& tensor = file.info(name);
    const std::uint64_t zeros = zeros_at_end(file, name);
    const bool whole = zeros == tensor.end - begin;
    if (!whole && zeros < kSignificant) break;
    ++reached;
    first = name;
    body = body || is_matrix_of_body(name, tensor, parameters, prefix);
    if (!whole) break;
  }
  if (reached < 2 || !body) return;
  throw Error(ExitCode::bad_data,
              fmt::format("{}: nothing but zeros from within {} to the end, over {} of its {} tensors",
                          file.path().string(), first, reached, by_place.size()),
              "its download ended early, in room that was reserved for all of it: download it again");
}

}  // namespace vitrail::trainer
