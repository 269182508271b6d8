#include <algorithm>

#include "models/heads/probe_head.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {

ProbeHead declare_probe(Declaration& d, const ProbeConfig& config, std::int64_t classes,
                        const std::string& model) {
  constexpr Init kLaw{Init::Law::normal, 0.01};  // DINO's
  ProbeHead head{{}, read_feature_choice(config.features).value()};
  if (head.reads.projection) {
    throw Error(ExitCode::refused,
                "linear.features = projection: the classifier takes the projection's place",
                "set linear.features = head");
  }
  const std::string last = d.parameters().back().name;
  const std::int64_t width = d.drop_head(model);
  d.fix_all();
  const std::size_t first = d.parameters().size();
  const std::int64_t parts = head.reads.beside ? 2 : std::max<std::int64_t>(head.reads.blocks, 1);
  head.classes = d.linear(last.substr(0, last.rfind('.')), classes, parts * width, 1, kLaw);
  d.mark_head(first);
  return head;
}

}  // namespace vitrail::models
