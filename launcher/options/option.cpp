#include "launcher/options/option.hpp"

#include <algorithm>

#include "launcher/options/setting_commands.hpp"

namespace vitrail::launcher {
namespace {

// What conditions look at: the configuration as the command uses it. Weights may come from --checkpoint;
// `eval` and `predict` look at one data set, `import` at none.
trainer::Config config_in_use(const CommandLine& line) {
  trainer::Config config = line.config;
  if (!line.flags.checkpoint.empty()) config.model.weights = line.flags.checkpoint;
  if (line.command == Command::eval || line.command == Command::predict) config.data.train = config.data.val;
  if (line.command == Command::import_weights) config.data.train.clear();
  return config;
}

About about_of(const trainer::SettingAbout& about) {
  std::vector<Condition> conditions;
  for (const trainer::SettingCondition& condition : about.when) {
    conditions.push_back({condition.key, condition.text, [condition](const CommandLine& line) {
                            return condition.holds(config_in_use(line));
                          }});
  }
  return {.help = about.help,
          .bounds = about.bounds,
          .unit = about.unit,
          .placeholder = about.placeholder,
          .absent = about.absent,
          .when = std::move(conditions),
          .required = about.required,
          .letter = about.letter,
          .alone = about.alone};
}

}  // namespace

bool Option::used_by(Command command) const {
  return std::find(commands.begin(), commands.end(), command) != commands.end();
}

Option option_of(const trainer::Setting& setting) {
  trainer::Field<CommandLine> field{.key = setting.key, .about = about_of(setting.about)};
  field.form = setting.form;
  field.choices = setting.choices;
  field.rule = setting.rule;
  field.set = [set = setting.set](CommandLine& line, const std::string& text) {
    return set(line.config, text);
  };
  field.get = [get = setting.get](const CommandLine& line) { return get(line.config); };
  field.complaint = setting.complaint;
  return {std::move(field), commands_of(setting.key)};
}

}  // namespace vitrail::launcher
