//! The operations that cooper uses, numbered as in the API's index of 94.

use http::Method;

use crate::http::Route;

macro_rules! routes {
    ($($name:ident = $operation:literal $method:ident $template:literal $does:literal;)*) => {
        $(pub(super) const $name: &Route =
            &Route { operation: $operation, method: Method::$method, template: $template, does: $does };)*

        /// Every route of this client. Templates are relative to the product's root, but for operation 0.
        pub const ROUTES: &[&Route] = &[$($name),*];
    };
}

routes! {
    GET_ACCOUNT = 0 GET "/1.3/account" "check the account";
    LIST_SERVICES = 1 GET "/" "list the services";
    CREATE_SERVICE = 2 POST "/" "create the service";
    GET_SERVICE = 3 GET "/{uuid}" "read the service";
    MODIFY_SERVICE = 5 PATCH "/{uuid}" "change the service";
    DELETE_SERVICE = 6 DELETE "/{uuid}" "delete the service";
    LIST_REGIONS = 7 GET "/regions" "list the regions";
    CREATE_NETWORK = 10 POST "/{uuid}/networks" "attach the network";
    DELETE_NETWORK = 12 DELETE "/{uuid}/networks/{net}" "detach the network";
    CREATE_CUSTOM_DOMAIN = 14 POST "/{uuid}/custom-domains" "attach the custom domain";
    GET_CUSTOM_DOMAIN = 15 GET "/{uuid}/custom-domains/{domain}" "read the custom domain";
    DELETE_CUSTOM_DOMAIN = 17 DELETE "/{uuid}/custom-domains/{domain}" "delete the custom domain";
    LIST_SERVICE_DOMAINS = 18 GET "/{uuid}/domains" "list the domains";
    LIST_SERIES = 20 GET "/{uuid}/metrics/series" "list the usage over time";
    LIST_BUCKETS = 21 GET "/{uuid}/buckets" "list the buckets";
    CREATE_BUCKET = 22 POST "/{uuid}/buckets" "create the bucket";
    DELETE_BUCKET = 23 DELETE "/{uuid}/buckets/{bucket}" "delete the bucket";
    CREATE_WEBSITE = 30 POST "/{uuid}/static-websites" "create the static website";
    GET_WEBSITE = 31 GET "/{uuid}/static-websites/{domain}" "read the static website";
    MODIFY_WEBSITE = 32 PATCH "/{uuid}/static-websites/{domain}" "change the static website";
    DELETE_WEBSITE = 33 DELETE "/{uuid}/static-websites/{domain}" "delete the static website";
    LIST_USERS = 34 GET "/{uuid}/users" "list the users";
    CREATE_USER = 35 POST "/{uuid}/users" "create the user";
    GET_USER = 36 GET "/{uuid}/users/{u}" "read the user";
    DELETE_USER = 37 DELETE "/{uuid}/users/{u}" "delete the user";
    CREATE_KEY = 39 POST "/{uuid}/users/{u}/access-keys" "create an access key";
    MODIFY_KEY = 41 PATCH "/{uuid}/users/{u}/access-keys/{id}" "change the access key";
    DELETE_KEY = 42 DELETE "/{uuid}/users/{u}/access-keys/{id}" "delete the access key";
    ATTACH_USER_POLICY = 44 POST "/{uuid}/users/{u}/policies" "attach the policy to the user";
    DETACH_USER_POLICY = 45 DELETE "/{uuid}/users/{u}/policies/{p}" "detach the policy from the user";
    LIST_USER_INLINE = 46 GET "/{uuid}/users/{u}/inline-policies" "list the user's inline policies";
    CREATE_USER_INLINE = 47 POST "/{uuid}/users/{u}/inline-policies" "write the user's inline policy";
    DELETE_USER_INLINE = 49 DELETE "/{uuid}/users/{u}/inline-policies/{ip}" "delete the user's inline policy";
    LIST_USER_TAGS = 50 GET "/{uuid}/users/{u}/tags" "list the user's tags";
    REPLACE_USER_TAGS = 51 PUT "/{uuid}/users/{u}/tags" "set the user's tags";
    DELETE_USER_TAG = 52 DELETE "/{uuid}/users/{u}/tags/{key}" "delete the user's tag";
    SET_USER_BOUNDARY = 53 PUT "/{uuid}/users/{u}/permissions-boundary" "set the user's permissions boundary";
    DELETE_USER_BOUNDARY = 54 DELETE "/{uuid}/users/{u}/permissions-boundary" "remove the user's permissions boundary";
    LIST_POLICIES = 55 GET "/{uuid}/policies" "list the policies";
    CREATE_POLICY = 56 POST "/{uuid}/policies" "create the policy";
    GET_POLICY = 57 GET "/{uuid}/policies/{p}" "read the policy";
    SET_DEFAULT_VERSION = 58 PATCH "/{uuid}/policies/{p}" "set the policy's default version";
    DELETE_POLICY = 59 DELETE "/{uuid}/policies/{p}" "delete the policy";
    LIST_VERSIONS = 60 GET "/{uuid}/policies/{p}/versions" "list the policy's versions";
    CREATE_VERSION = 61 POST "/{uuid}/policies/{p}/versions" "create a version of the policy";
    DELETE_VERSION = 63 DELETE "/{uuid}/policies/{p}/versions/{v}" "delete a version of the policy";
    LIST_GROUPS = 64 GET "/{uuid}/groups" "list the groups";
    CREATE_GROUP = 65 POST "/{uuid}/groups" "create the group";
    GET_GROUP = 66 GET "/{uuid}/groups/{g}" "read the group";
    DELETE_GROUP = 67 DELETE "/{uuid}/groups/{g}" "delete the group";
    ADD_MEMBER = 68 POST "/{uuid}/groups/{g}/users/{u}" "add the user to the group";
    REMOVE_MEMBER = 69 DELETE "/{uuid}/groups/{g}/users/{u}" "remove the user from the group";
    LIST_GROUP_POLICIES = 70 GET "/{uuid}/groups/{g}/policies" "list the group's policies";
    ATTACH_GROUP_POLICY = 71 POST "/{uuid}/groups/{g}/policies" "attach the policy to the group";
    DETACH_GROUP_POLICY = 72 DELETE "/{uuid}/groups/{g}/policies/{p}" "detach the policy from the group";
    LIST_GROUP_INLINE = 73 GET "/{uuid}/groups/{g}/inline-policies" "list the group's inline policies";
    CREATE_GROUP_INLINE = 74 POST "/{uuid}/groups/{g}/inline-policies" "write the group's inline policy";
    DELETE_GROUP_INLINE = 76 DELETE "/{uuid}/groups/{g}/inline-policies/{ip}" "delete the group's inline policy";
    LIST_ROLES = 77 GET "/{uuid}/roles" "list the roles";
    CREATE_ROLE = 78 POST "/{uuid}/roles" "create the role";
    GET_ROLE = 79 GET "/{uuid}/roles/{r}" "read the role";
    MODIFY_ROLE = 80 PATCH "/{uuid}/roles/{r}" "change the role";
    DELETE_ROLE = 81 DELETE "/{uuid}/roles/{r}" "delete the role";
    SET_TRUST = 82 PUT "/{uuid}/roles/{r}/assume-role-policy" "set the role's trust policy";
    ATTACH_ROLE_POLICY = 84 POST "/{uuid}/roles/{r}/policies" "attach the policy to the role";
    DETACH_ROLE_POLICY = 85 DELETE "/{uuid}/roles/{r}/policies/{p}" "detach the policy from the role";
    CREATE_ROLE_INLINE = 87 POST "/{uuid}/roles/{r}/inline-policies" "write the role's inline policy";
    DELETE_ROLE_INLINE = 89 DELETE "/{uuid}/roles/{r}/inline-policies/{ip}" "delete the role's inline policy";
    SET_ROLE_BOUNDARY = 90 PUT "/{uuid}/roles/{r}/permissions-boundary" "set the role's permissions boundary";
    DELETE_ROLE_BOUNDARY = 91 DELETE "/{uuid}/roles/{r}/permissions-boundary" "remove the role's permissions boundary";
    REPLACE_ROLE_TAGS = 93 PUT "/{uuid}/roles/{r}/tags" "set the role's tags";
    DELETE_ROLE_TAG = 94 DELETE "/{uuid}/roles/{r}/tags/{key}" "delete the role's tag";
}
