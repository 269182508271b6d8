#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {

using models::ReconstructionConfig;

void add_mae_settings(std::vector<Setting>& table) {
  const Section mae(
      table, "mae", [](auto& config) -> auto& { return config.mae; });
  const Section decoder(
      table, "mae", [](auto& config) -> auto& { return config.mae.head; });
  decoder.add("masked", &ReconstructionConfig::masked, Effect::identity,
              {.help = "share of an image's patches that the network does not see",
               .bounds = above_to(0, 1),
               .when = {with_mae()}});
  mae.add("normalised", &MaeConfig::normalised, Effect::identity,
          {.help = "each patch's pixels are learned less their mean, over their standard deviation",
           .when = {with_mae()}});
  decoder.add("width", &ReconstructionConfig::width, Effect::identity,
              {.help = "channels of the decoder, which is thrown away afterwards",
               .bounds = from_to(4, 65536),
               .when = {with_mae()}});
  decoder.add("depth", &ReconstructionConfig::depth, Effect::identity,
              {.help = "its blocks", .bounds = from_to(1, 1024), .when = {with_mae()}});
  decoder.add("heads", &ReconstructionConfig::heads, Effect::identity,
              {.help = "its attention heads", .bounds = from_to(1, 1024), .when = {with_mae()}});
}

}  // namespace vitrail::trainer
