#include "launcher/options/options.hpp"

#include "trainer/settings/settings.hpp"

namespace vitrail::launcher {

std::vector<Option> make_options() {
  std::vector<Option> table;
  add_flags(table);
  add_launch_settings(table);
  for (const trainer::Setting& setting : trainer::setting_table()) table.push_back(option_of(setting));
  return table;
}

const Option* find_option(const std::vector<Option>& options, const std::string& key, Command command) {
  const Option* found = nullptr;
  for (const Option& option : options) {
    if (option.key == key && (found == nullptr || option.used_by(command))) found = &option;
  }
  return found;
}

}  // namespace vitrail::launcher
