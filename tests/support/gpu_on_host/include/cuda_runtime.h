#pragma once
#include "tests/support/gpu_on_host/cuda.hpp"
