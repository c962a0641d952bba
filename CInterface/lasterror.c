#include "cnnlens.h"
