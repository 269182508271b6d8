#include "launcher/options/option.hpp"

#include <algorithm>

#include "launcher/cli/command_line.hpp"

namespace vitrail::launcher {
namespace {

trainer::Config config_in_use(const CommandLine& line) {
  const bool has_own = line.command != nullptr && line.command->config_in_use != nullptr;
  return has_own ? line.command->config_in_use(line) : line.config;
}

template <class T>
Option common_flag(const std::string& name, T CommandLine::*member, About about) {
  constexpr auto kItself = [](auto& line) -> auto& { return line; };
  Option option(trainer::field_of<CommandLine>(name, kItself, member, std::move(about), trainer::Rule<T>()));
  option.is_switch = std::is_same_v<T, bool>;
  return option;
}

}  // namespace

bool Option::used_by(const Command& command) const {
  return std::ranges::find(commands, &command) != commands.end();
}

Option option_of(const trainer::Setting& setting) {
  std::vector<Condition> when;
  for (const trainer::SettingCondition& condition : setting.about.when) {
    when.push_back({condition.key, condition.text,
                    [condition](const CommandLine& line) { return condition.holds(config_in_use(line)); }});
  }
  trainer::Field<CommandLine> field = described_as(setting, when);
  field.set = [set = setting.set](CommandLine& line, const std::string& text) {
    return set(line.config, text);
  };
  field.get = [get = setting.get](const CommandLine& line) { return get(line.config); };
  return Option(std::move(field));
}

void add_help_flag(std::vector<Option>& options) {
  options.push_back(common_flag("help", &CommandLine::help, {.help = "this text", .letter = 'h'}));
}

void add_config_flags(std::vector<Option>& options) {
  options.push_back(
      common_flag("config", &CommandLine::config_files,
                  {.help = "file of settings: [section], then key = value; may be repeated, later wins",
                   .placeholder = "FILE"}));
  options.push_back(common_flag("print-config", &CommandLine::print_config,
                                {.help = "print the settings in use as such a file, and do nothing else"}));
}

}  // namespace vitrail::launcher
