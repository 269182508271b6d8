#include "launcher/commands/asking/class_names.hpp"

#include <cstdio>

#include "datasets/dataset.hpp"
#include "trainer/base/error.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"

namespace vitrail::launcher {

ClassNames::ClassNames(const std::string& pack, const std::string& checkpoint,
                       const trainer::Config& config) {
  const std::int64_t classes = config.model.classes;
  if (!pack.empty()) {
    take(*datasets::open_dataset(pack, {.given_as = "--names", .classes = config.data.classes}));
    if (count() == classes) return;
    throw Error(ExitCode::refused,
                fmt::format("--names {}: {} classes, the model has {}", pack, count(), classes),
                "name the pack that the model was trained on");
  }
  if (!checkpoint.empty())
    names_ = trainer::read_checkpoint_manifest(trainer::find_checkpoint(checkpoint)).classes;
  if (!names_.empty()) return;
  const auto shown =
      datasets::open_unlabelled(config.data.val, {.given_as = "data.val =", .classes = config.data.classes});
  if (shown->classes() == classes) {
    take(*shown);
  } else if (shown->classes() > 0) {
    fmt::print(stderr,
               "classes by number: {} has {}, the model {}; --names takes a pack that it was trained on\n",
               shown->describe(), shown->classes(), classes);
  }
}

std::string ClassNames::operator[](std::int64_t label) const {
  return label < count() ? names_[static_cast<std::size_t>(label)] : std::to_string(label);
}

void ClassNames::take(const datasets::Dataset& dataset) {
  for (std::int64_t c = 0; c < dataset.classes(); ++c) names_.push_back(dataset.class_name(c));
}

}  // namespace vitrail::launcher
