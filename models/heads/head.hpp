// The kinds of heads.
#pragma once

#include <variant>

#include "models/heads/embedding_head.hpp"
#include "models/heads/linear_head.hpp"
#include "models/heads/per_class_head.hpp"
#include "models/heads/pixel_decoder.hpp"
#include "models/heads/probe_head.hpp"
#include "models/heads/projection_head.hpp"

namespace vitrail::models {

using Head = std::variant<LinearHead, PerClassHead, ProjectionHead, PixelDecoder, EmbeddingHead, ProbeHead>;

}  // namespace vitrail::models
