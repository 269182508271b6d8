// What lies at a path that an option names, looked at before a reader stumbles over it: messages name the
// option, and hints the one that was probably meant. Throws: Error(io) for a path that is not there;
// Error(bad_data) for one of the other kind.
#pragma once

#include <filesystem>
#include <string>

namespace vitrail::datasets {

// `option`: as the user wrote it ("--source folder:a"); `form`: what it should name ("a tar of images").
void require_file(const std::string& option, const std::filesystem::path& path, const std::string& form);
void require_folder(const std::string& option, const std::filesystem::path& path, const std::string& form);
void require_path(const std::string& option, const std::filesystem::path& path);

bool looks_like_image(const std::string& name);  // by its ending

}  // namespace vitrail::datasets
