/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client/grant-terms.h"
#include "common/terms.h"

int grant_terms_read(const json_t *parameters, GrantTerms *ret) {
        GrantTerms terms = {};
        const WireField fields[] = {
                {"access", WIRE_ENUM, true, &terms.access, access_from_wire},
                {"mode", WIRE_ENUM, true, &terms.mode, lease_mode_from_wire},
                {"lease", WIRE_STRING, true, &terms.lease},
                {"kept", WIRE_BOOL, true, &terms.kept},
                {"expires", WIRE_INT, true, &terms.expires},
                {"action", WIRE_STRING, true, &terms.action},
                {"how", WIRE_ENUM, true, &terms.how, how_from_wire},
                {"connectAs", WIRE_STRING, true, &terms.connect_as},
                {"logout", WIRE_BOOL, true, &terms.logout},
                {"means", WIRE_ENUM, true, &terms.means, means_from_wire},
                {"pam", WIRE_BOOL, true, &terms.pam},
                {"requestId", WIRE_STRING, true, &terms.request_id},
                {},
        };
        int r;

        r = wire_read(parameters, fields);
        if (r == 0)
                *ret = terms;
        return r;
}
