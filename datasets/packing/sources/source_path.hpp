// What lies at a path that a source names, looked at before a reader stumbles over it: hints name the source
// that was probably meant. Throws: Error(io) for a path that is not there; Error(bad_data) for one of the
// other kind.
#pragma once

#include <filesystem>
#include <string>

namespace vitrail::datasets {

// `form`: what it should be ("a tar of images").
void require_file(const std::filesystem::path& path, const std::string& form);
void require_folder(const std::filesystem::path& path, const std::string& form);
void require_path(const std::filesystem::path& path);

bool looks_like_image(const std::string& name);  // by its ending

}  // namespace vitrail::datasets
