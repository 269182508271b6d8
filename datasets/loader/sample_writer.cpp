#include "datasets/loader/sample_writer.hpp"

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kReadAgain = 3;

void write_once(const Dataset& dataset, std::int64_t index, const std::function<Sample()>& read,
                const std::function<void(const Sample&)>& transform) {
  const Sample sample = read();
  try {
    transform(sample);
  } catch (const Error& error) {
    const std::string place = dataset.place(index);
    const bool ready =
        sample.image.width > 0 || !sample.tensor.empty();  // nothing that a file can have spoilt
    if (error.code() != ExitCode::bad_data || ready) throw error.in(place);
    throw DamagedRecord(error.in(place));
  }
}

}  // namespace

void write_sample(const Dataset& dataset, std::int64_t index, const std::function<Sample()>& first_read,
                  const std::function<void(const Sample&)>& transform) {
  const std::function<Sample()> read = [&] { return dataset.read(index); };
  const auto named = [&](const Error& error) {
    return Error(error.code(), fmt::format("{}: sample {}: {}", dataset.describe(), index, error.what()),
                 error.hint());
  };
  for (int tries = 0;; ++tries) {
    try {
      return write_once(dataset, index, tries == 0 && first_read ? first_read : read, transform);
    } catch (const DamagedRecord& error) {
      if (tries == kReadAgain) throw DamagedRecord(named(error));
    } catch (const Error& error) {
      throw named(error);
    } catch (const std::exception& error) {
      throw named({ExitCode::crash, error.what()});
    }
  }
}

std::span<float> floats_of(PixelBuffer& images, std::int64_t item, std::int64_t image_size) {
  const auto floats = static_cast<std::size_t>(3 * image_size * image_size);
  return std::span(images).subspan(static_cast<std::size_t>(item) * floats, floats);
}

void require(bool condition, const std::string& message, const std::string& hint) {
  if (!condition) throw Error(ExitCode::refused, message, hint);
}

void check_lanes(const LaneShare& plan) {
  require(plan.first_lane >= 0 && plan.first_lane < plan.end_lane && plan.end_lane <= plan.lanes,
          fmt::format("lanes [{}, {}) are not part of run.lanes = {}", plan.first_lane, plan.end_lane,
                      plan.lanes));
}

void check_image_size(const Dataset& dataset, std::int64_t image_size) {
  const auto size = dataset.tensor_image_size();
  require(!size || *size == image_size,
          fmt::format("model.image_size = {}, but {} holds tensors of {}x{}", image_size, dataset.describe(),
                      size.value_or(0), size.value_or(0)),
          fmt::format("set model.image_size = {}", size.value_or(0)));
}

}  // namespace vitrail::datasets
