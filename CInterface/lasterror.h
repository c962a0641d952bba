/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CNNLENS_LASTERROR_H
#define CNNLENS_LASTERROR_H

/* Copies `message` for cnnlens_last_error() on this thread. The second underscore keeps it out of the library's
 * symbols (cnnlens.map). */
void cnnlens__set_last_error(const char *message);

#endif
