/* SPDX-License-Identifier: MIT */
/* What the kernel file carries for the first domain.  Each is page-aligned and padded, and is given away as DATA. */
    .section .blobs, "a", @progbits
    .macro blob name, file
    .balign 4096
    .globl blob_\name, blob_\name\()_end
blob_\name:
    .incbin "\file"
blob_\name\()_end:
    .endm
    blob steward, "steward.bin"
    blob libos, "personalities.bin"
    blob manifest, "manifest.area"
    .balign 4096
    .section .note.GNU-stack, "", @progbits
