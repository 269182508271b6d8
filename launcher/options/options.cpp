#include "launcher/options/options.hpp"

#include "trainer/settings/settings.hpp"

namespace vitrail::launcher {

std::vector<Option> make_options() {
  std::vector<Option> table;
  for (const Command& command : commands()) {
    for (const Option& option : command.options) {
      table.push_back(option);
      table.back().commands = {&command};
    }
  }
  for (const trainer::Setting& setting : trainer::setting_table()) {
    table.push_back(option_of(setting));
    for (const Command& command : commands()) {
      if (command.uses && command.uses(setting)) table.back().commands.push_back(&command);
    }
  }
  return table;
}

const Option* find_option(const std::vector<Option>& options, const std::string& key,
                          const Command& command) {
  const Option* found = nullptr;
  for (const Option& option : options) {
    if (option.key == key && (found == nullptr || option.used_by(command))) found = &option;
  }
  return found;
}

}  // namespace vitrail::launcher
