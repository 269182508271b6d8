#include "models/feature_choice.hpp"
#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {

void add_linear_settings(std::vector<Setting>& table) {
  const Section linear(
      table, "linear", [](auto& config) -> auto& { return config.linear; });
  linear.add(
      "features", &models::ProbeConfig::features, Effect::identity,
      {.help =
           "what the classifier reads of a body that does not learn: what the network's own head reads, the "
           "mean over patches, both, or the pooled outputs of the last N blocks side by side",
       .placeholder = "head|mean|head+mean|last:N",
       .when = {with_linear()}},
      {"head, mean, head+mean or last:N", [](const std::string& text) {
         const auto choice = models::read_feature_choice(text);
         return choice && !choice->projection;
       }});
}

}  // namespace vitrail::trainer
