#include "launcher/commands/training_images.hpp"

#include "datasets/dataset.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {

std::int64_t training_images(const CommandLine& line) {
  if (line.flags.images) return *line.flags.images;
  const datasets::DataConfig& data = line.config.data;
  try {
    return datasets::open_dataset(data.train, {.classes = data.classes})->size();
  } catch (const Error& e) {
    throw Error(e.code(), fmt::format("data.train: {}", e.what()),
                "--images N tells the size of a training set that is not at hand");
  }
}

}  // namespace vitrail::launcher
