// Images as they lie, read without a pack: "folder:DIR", "images:DIR", "wds:TARS", "csv:LIST",
// "flat:DIR,LABELS", "inaturalist:JSON" and "idx:IMAGES,LABELS" as `vitrail pack` takes them. Samples are in
// the order that a pack of the same source has, so a run on either draws the same and ends with the same
// bits, where no image is damaged. Every rank lists the source. Throws: what open_source() throws;
// DamagedRecord naming a file that has gone or changed its size.
#pragma once

#include <memory>
#include <string>

#include "datasets/dataset.hpp"

namespace vitrail::datasets {

bool is_direct_source(const std::string& source);  // one of these kinds

std::string direct_source_forms();  // of all of them, for help and hints

// `labels`: of tars; others have them or not. There are no classes where no image has one.
std::shared_ptr<const Dataset> open_source_dataset(const std::string& source, Labels labels);

}  // namespace vitrail::datasets
