#include "launcher/commands/schedule/training_images.hpp"

#include "datasets/dataset.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {

std::int64_t training_images(const datasets::DataConfig& data, const std::optional<std::int64_t>& images) {
  if (images) return *images;
  try {
    return datasets::open_dataset(data.train, datasets::training_data(data))->size();
  } catch (const Error& e) {
    throw Error(e.code(), e.what(), "--images N tells the size of a training set that is not at hand");
  }
}

}  // namespace vitrail::launcher
