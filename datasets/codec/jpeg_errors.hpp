// How libjpeg's errors leave its C code, for the decoder and the encoder: formatted into a Jump and thrown by
// guarded() (codec_detail.hpp).
#pragma once

#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>

#include "datasets/codec/codec_detail.hpp"

namespace vitrail::datasets {

struct JpegErrors {
  jpeg_error_mgr base{};  // first: libjpeg's pointer to it is a pointer to the whole
  Jump jump;
};

[[noreturn]] inline void leave_jpeg(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  static_assert(sizeof(Jump::message) >= JMSG_LENGTH_MAX);
  errors->base.format_message(info, errors->jump.message);
  std::longjmp(errors->jump.target, 1);
}

}  // namespace vitrail::datasets
