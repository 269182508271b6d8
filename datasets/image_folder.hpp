// Every image below a folder as a data set without labels: what a trained model is asked about. Names that
// begin with a dot and folders of the system's (file_tree.hpp) are left out. Throws: Error(bad_data) for a
// folder without files; DamagedRecord for an image that cannot be read, a link that leads nowhere, a name
// that is not UTF-8; Error(io) for a folder that cannot be listed.
#pragma once

#include <filesystem>
#include <memory>

#include "datasets/dataset.hpp"

namespace vitrail::datasets {

std::shared_ptr<const Dataset> open_image_folder(const std::filesystem::path& folder);

}  // namespace vitrail::datasets
